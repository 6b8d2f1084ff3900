#include "zeolite/coroutine.h"
