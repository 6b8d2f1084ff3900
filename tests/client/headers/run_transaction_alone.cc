#include "zeolite/run_transaction.h"
