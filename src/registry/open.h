/*
 * Opening a registry on a given engine: what tk_registry_open() does once it knows which. Tests use it to put an engine
 * that fails on purpose in front of the real one.
 */
#ifndef TK_REGISTRY_OPEN_H
#define TK_REGISTRY_OPEN_H

#include "registry/driver.h"
#include "registry/registry.h"

/* `location` is the URL without its scheme. Otherwise as tk_registry_open(). */
enum tk_err tk_registry_open_with(const struct tk_driver *driver, const char *location,
                                  const struct tk_registry_config *config, struct tk_registry **ret_registry,
                                  struct tk_fault *fault);

#endif
