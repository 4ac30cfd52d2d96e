"""Small JSON files are written whole, however little the kernel takes at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from yunwei_host.jsonfile import read_json, write_json


def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    write_json(str(tmp_path), "one.json", {"number": 12, "run_id": "r-1"})
    assert read_json(str(tmp_path), "one.json") == {"number": 12, "run_id": "r-1"}
