#include "zeolite/types.h"
