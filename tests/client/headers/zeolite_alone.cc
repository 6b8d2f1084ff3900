#include "zeolite/zeolite.h"
