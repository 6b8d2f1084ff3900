"""All tests that ship inside the ZEO package, less those of exclusions.txt.

`test_suite` is what zope.testrunner calls; zeo_suites.py is the way in. ZEO's tests mix in the
storage tests of the ZODB package, so these are the tests of both.
"""

import importlib
import os
import pathlib
import pkgutil
import sys
import unittest
from fnmatch import fnmatchcase

EXCLUSIONS = pathlib.Path(__file__).with_name("exclusions.txt")
USE_EXCLUSIONS = "ZEO_SUITES_EXCLUDE"  # environment: what workers are told


def read_exclusions(text):
    """[(pattern of test ids, reason)]; a line in brackets is the reason of those below it."""
    exclusions, reason = [], None
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            reason = line.strip("[]")
        else:
            pattern, _, own_reason = line.partition(": ")
            exclusions.append((pattern, own_reason.strip() or reason))
    return exclusions


def excluded(test_id, exclusions):
    """The first (pattern, reason) that this test falls under, or None."""
    return next((e for e in exclusions if fnmatchcase(test_id, e[0])), None)


def id_of(test):
    """Documentation tests in files are named after the file, without its folder."""
    test_id = test.id()
    return test_id if "." in test_id else f"{type(test).__name__}.{test_id}"


def layer_name(layer):
    return "zope.testrunner.layer.UnitTests" if layer is None else f".{layer.__name__}" \
        if not layer.__module__ else f"{layer.__module__}.{layer.__name__}"


def package_tests():
    """Pairs of a test and its layer, in the order of the package, excluded ones included."""
    import ZEO.tests
    import ZEO.tests.testZEO
    import ZODB.tests.util

    suites = []
    for module in pkgutil.iter_modules(ZEO.tests.__path__):
        if module.name.startswith("test"):
            loaded = importlib.import_module(f"ZEO.tests.{module.name}")
            if hasattr(loaded, "test_suite"):
                suites.append(loaded.test_suite())
            else:
                suites.append(unittest.defaultTestLoader.loadTestsFromModule(loaded))

    # The package leaves this one out to save time. It is the plainest of all.
    loader = unittest.TestLoader()
    plain_layer = ZODB.tests.util.MininalTestLayer("FileStorageTests")
    for loader.testMethodPrefix in ("check", "test"):
        plain = loader.loadTestsFromTestCase(ZEO.tests.testZEO.FileStorageTests)
        plain.layer = plain_layer
        suites.append(plain)

    for suite in suites:
        yield from _flat(suite, None)


def _flat(suite, layer):
    layer = getattr(suite, "layer", layer)
    if getattr(suite, "level", 1) > 1:
        return  # the package does not run them either unless asked
    if isinstance(suite, unittest.TestSuite):
        for test in suite:
            yield from _flat(test, layer)
    elif layer is None or not layer.__name__.startswith("!"):  # a placeholder of the package's
        yield suite, layer


def active_exclusions():
    if not os.environ.get(USE_EXCLUSIONS):
        return []
    return read_exclusions(EXCLUSIONS.read_text())


def test_suite():
    exclusions = active_exclusions()
    by_layer = {}
    for test, layer in package_tests():
        if not excluded(id_of(test), exclusions):
            by_layer.setdefault(layer, unittest.TestSuite()).addTest(test)
    for layer, suite in by_layer.items():
        if layer is not None:
            suite.layer = layer
    return unittest.TestSuite(by_layer.values())


def survey():
    """Layers with their number of tests, and what is excluded with its reason; for zeo_suites.

    An exclusion that excludes nothing is an error: it would outlive its reason."""
    exclusions = active_exclusions()
    layers, left_out, used = {}, [], set()
    for test, layer in package_tests():
        exclusion = excluded(id_of(test), exclusions)
        if exclusion:
            left_out.append((id_of(test), exclusion[1]))
            used.add(exclusion[0])
        else:
            name = layer_name(layer)
            layers[name] = layers.get(name, 0) + 1
    unused = [pattern for pattern, _ in exclusions if pattern not in used]
    if unused:
        sys.exit(f"{EXCLUSIONS}: excludes nothing: {', '.join(unused)}")
    return {"layers": layers, "excluded": left_out}
