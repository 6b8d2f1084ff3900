#pragma once

// The whole client library of Zeolite, a replicated object database. See docs/client-guide.md.
#include "zeolite/client.h"
#include "zeolite/coroutine.h"
#include "zeolite/errors.h"
#include "zeolite/run_transaction.h"
#include "zeolite/types.h"
