"""The whole list of planned files is kept on the controller as it was planned."""

import json
import stat

import pytest
from yunwei_host import loglist

from yunwei.log_plans import keep_list

ENTRIES = [{"p": f"/var/log/a.log.{number}", "why": "old"} for number in range(5000)]


def test_a_list_is_kept_whole_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path))
    packed = loglist.pack(loglist.to_line(entry) for entry in ENTRIES)
    path = keep_list(packed, "mediation-app1", "r-test")
    assert path == tmp_path / "plans" / "r-test" / "mediation-app1.jsonl"
    assert [json.loads(line) for line in path.read_text().splitlines()] == ENTRIES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"packed": "AAAA"}, {"packed": "no base64"}])
def test_a_list_that_is_not_the_planned_one_is_refused(tmp_path, monkeypatch, change):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path))
    with pytest.raises(ValueError, match=r"unpacked|digest|base64|Incorrect padding|Only base64"):
        keep_list({**loglist.pack(["{}"]), **change}, "mediation-app1", "r-test")
    assert list(tmp_path.iterdir()) == []
