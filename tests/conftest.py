"""The order of the tests."""


def pytest_collection_modifyitems(items):
    """Begin with the files that compile: they take longest, and no core shall wait for the last."""
    compiling = {item.path for item in items if item.get_closest_marker("standalone")}
    items.sort(key=lambda item: item.path not in compiling)
