#include "gumtile/module_cache.h"
