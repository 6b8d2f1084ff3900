#include "zeolite/client.h"
