#include "zeolite/errors.h"
