"""Fixtures that several folders of tests share."""

pytest_plugins = ["tests.postgres", "tests.vllm"]
