"""Tools of the project itself, behind ``build.py``: the set-up of the environment and the test runner."""
