"""The ledger's heads at the second site: countersigned at every sync, read back, and held against the ledger."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from yunwei_host.faults import FaultError

from tests.estates import Estate
from tests.ledger_attacks import cut_tail, rewrite
from tests.openbao import RealVault
from tests.pull_world import TwoSites
from yunwei.cli import main
from yunwei.errors import LedgerError
from yunwei.ledger import Ledger, load_heads, to_pem
from yunwei.vault import VaultClient

HASHES = [f"{number:064x}" for number in range(1, 6)]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two sites; there is nothing to copy, so that a sync only shows the ledger's head."""
    folder = tmp_path / "world"
    folder.mkdir()
    return TwoSites(folder, monkeypatch)


def head(count: int, digest: str = HASHES[0]) -> dict[str, object]:
    return {"count": count, "hash": digest}


def kept(world: TwoSites) -> list[dict[str, object]]:
    """Return the heads in the site's own list."""
    path = world.base / "heads" / "mediation.jsonl"
    return [json.loads(json.loads(line)["head"]) for line in path.read_text().splitlines()] if path.exists() else []


class TestAtTheSecondSite:
    def test_a_sync_brings_the_head_back_countersigned(self, world):
        shown = world.sync(head=head(12))["head"]
        (there,) = kept(world)
        assert json.loads(shown["answer"]["head"]) == there
        assert (there["count"], there["hash"], there["system"]) == (12, HASHES[0], "mediation")
        assert (shown["count"], shown["hash"], shown["time"], shown["refused"]) == (12, HASHES[0], there["time"], None)

    def test_a_plan_shows_no_head(self, world):
        world.preview_sync()
        assert kept(world) == []

    def test_the_list_only_grows_and_a_reader_gets_all_of_it(self, world):
        for count, digest in ((3, HASHES[0]), (3, HASHES[0]), (9, HASHES[1])):
            assert world.sync(head=head(count, digest))["verdict"] == "passed"
        assert [one["count"] for one in kept(world)] == [3, 3, 9]
        read = world.read_heads()
        assert read["handed_on"]["heads"] == (world.base / "heads" / "mediation.jsonl").read_text()
        assert (read["count"], read["system"]) == (3, "mediation")

    @pytest.mark.parametrize("backwards", [head(11), head(12, HASHES[1]), head(1)])
    def test_a_head_that_goes_backwards_is_refused_and_kept_out(self, world, backwards):
        world.sync(head=head(12))
        refused = world.sync(head=backwards)
        assert refused["verdict"] == "failed"
        assert f"saw 12 records with hash {HASHES[0]}" in refused["head"]["refused"]
        assert [one["count"] for one in kept(world)] == [12]

    def test_backups_are_copied_all_the_same_when_a_head_is_refused(self, world):
        world.only("database")
        world.back_up()
        world.sync(head=head(12))
        world.back_up(now=True)
        refused = world.sync(head=head(11))
        assert (refused["verdict"], refused["snapshots"]) == ("failed", 2)
        assert all(record["sync"]["miyun"]["verified_at"] for record in world.store.load())

    @pytest.mark.parametrize(
        ("fault", "reason"), [("unsigned", "not signed by the pinned key"), ("another head", "the head is another one")]
    )
    def test_what_comes_back_must_be_that_head_signed_by_the_pinned_key(self, world, fault, reason):
        world.site_misbehaves(fault=fault)
        shown = world.sync(head=head(12))
        assert (shown["verdict"], shown["head"]["answer"]) == ("failed", None)
        assert reason in shown["head"]["refused"]

    @pytest.mark.parametrize("words", [{"count": -1}, {"hash": "x"}, {"hash": "A" * 64}, {"count": 0}])
    def test_what_is_no_head_is_refused(self, world, words):
        assert "usage" in world.sync(head={**head(12), **words})["head"]["refused"]
        assert kept(world) == []

    def test_a_line_that_a_crash_cut_off_is_no_head_and_in_nobody_s_way(self, world):
        world.sync(head=head(12))
        path = world.base / "heads" / "mediation.jsonl"
        with path.open("a") as stream:
            stream.write('{"head": "half')
        assert world.read_heads()["count"] == 1
        world.sync(head=head(13))
        assert [one["count"] for one in kept(world)] == [12, 13]

    def test_a_list_that_is_none_is_said(self, world):
        (world.base / "heads" / "mediation.jsonl").write_text("\x1b[31m\n")
        with pytest.raises(FaultError, match="list of heads is not readable"):
            world.read_heads()


@dataclass
class Controller:
    """A ledger that Vault signs, and a second site that sees its head from time to time."""

    path: Path
    vault: VaultClient
    world: TwoSites

    @property
    def book(self) -> Ledger:
        return Ledger.open(self.path)

    @property
    def trusted(self) -> list[bytes]:
        return [self.vault.public_key()]

    @property
    def key(self) -> str:
        return (self.world.base / "receipt_key.pub").read_text()

    @property
    def list(self) -> Path:
        return self.world.base / "heads" / "mediation.jsonl"

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.book.append("note", {"result": "as it was"}, self.vault)

    def sync(self) -> dict[str, object]:
        return self.world.sync(head=vars(self.book.head()))

    def verify(self):
        return self.book.verify(self.trusted, load_heads(self.list, self.key))


@pytest.fixture
def controller(bao: RealVault, world: TwoSites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    """Heads of 11, 21 and 31 records were countersigned; 33 are there. The second record is the key."""
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    made = Controller(tmp_path / "state" / "ledger.sqlite", bao.client(), world)
    for count in (10, 10, 10):
        made.grow(count)
        assert made.sync()["verdict"] == "passed"
    made.grow(2)
    return made


class TestAgainstTheLedger:
    def test_a_ledger_that_nobody_touched_is_proven_up_to_the_newest_head(self, controller):
        result = controller.verify()
        assert (result.ok, result.count, result.witnessed, result.not_witnessed) == (True, 33, 31, 2)
        assert result.witnessed_at == kept(controller.world)[-1]["time"]
        without = controller.book.verify(controller.trusted)
        assert (without.ok, without.witnessed) == (True, None)

    def test_a_cut_tail_is_caught_by_the_witness_alone(self, controller):
        cut_tail(controller.path, 25)
        assert controller.book.verify(controller.trusted).ok, "without a witness a cut ledger looks whole"
        result = controller.verify()
        assert (result.ok, result.first_bad) == (False, 26)
        assert "site miyun saw 31 entries" in result.reason

    def test_a_cut_ledger_that_grew_again_is_caught(self, controller):
        cut_tail(controller.path, 25)
        controller.grow(10)
        assert controller.book.verify(controller.trusted).ok
        assert (controller.verify().first_bad, controller.verify().count) == (31, 35)
        assert controller.sync()["verdict"] == "passed", "the site knows numbers and not contents"

    def test_ten_records_written_anew_and_signed_again_are_caught(self, controller):
        rewrite(controller.path, range(12, 22), controller.vault)
        assert controller.book.show("15")["result"] == "all went well"
        assert controller.book.verify(controller.trusted).ok, "the controller's own rights are enough for the chain"
        result = controller.verify()
        assert (result.ok, result.first_bad, result.first_bad_id) == (False, 21, controller.book.entries()[20].id)
        assert "of the entries 12 to 21 at least one was written anew" in result.reason

    def test_what_nobody_saw_is_told_as_such(self, controller):
        rewrite(controller.path, [32], controller.vault)
        assert (controller.verify().ok, controller.verify().not_witnessed) == (True, 2)

    def test_an_export_is_held_against_the_witness_too(self, controller, tmp_path, capsys):
        key, witness_key = tmp_path / "ledger.pem", tmp_path / "witness.pub"
        key.write_text(to_pem(controller.vault.public_key()))
        witness_key.write_text(controller.key)
        export = tmp_path / "export.jsonl"
        controller.book.export(export)
        words = ["evidence", "verify", "--file", str(export), "--public-key", str(key), "--json"]
        assert main(words) == 4
        words += ["--witness", str(controller.list), "--witness-key", str(witness_key)]
        capsys.readouterr()
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["not_witnessed"] == 2
        lines = export.read_text().splitlines()
        last = json.loads(lines[20])
        header = json.dumps({**json.loads(lines[0]), "count": last["seq"], "hash": last["hash"]})
        export.write_text("\n".join([header, *lines[1:21]]) + "\n")
        assert main(words) == 1
        assert json.loads(capsys.readouterr().out)["first_bad"] == 21


class TestAWitnessFile:
    @pytest.fixture
    def forged(self, controller, tmp_path):
        """Return a function that changes one line of a copy of the list: its text, its signature."""

        def change(edit):
            path = tmp_path / "heads.jsonl"
            lines = [json.loads(line) for line in controller.list.read_text().splitlines()]
            lines[1] = edit(lines[1])
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            return path

        return change

    def sign(self, text: str, key: Path, namespace: str) -> str:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, "-"]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def test_a_changed_head_is_refused(self, controller, forged):
        path = forged(lambda line: {**line, "head": line["head"].replace('"count": 21', '"count": 12')})
        with pytest.raises(LedgerError, match=r"line 2 is not signed by the witness's key"):
            load_heads(path, controller.key)

    @pytest.mark.parametrize(("key", "namespace"), [("key", "yunwei-head"), ("receipt_key", "yunwei-receipt")])
    def test_another_key_or_a_receipt_s_signature_is_refused(self, controller, forged, key, namespace):
        own = controller.world.base / key
        path = forged(lambda line: {**line, "signature": self.sign(line["head"], own, namespace)})
        with pytest.raises(LedgerError, match=r"line 2 is not signed"):
            load_heads(path, controller.key)
        good = forged(
            lambda line: {**line, "signature": self.sign(line["head"], own.with_name("receipt_key"), "yunwei-head")}
        )
        assert len(load_heads(good, controller.key)) == 3

    @pytest.mark.parametrize("line", ["x", {}, {"head": "x"}, []])
    def test_a_line_that_is_no_head_is_refused(self, controller, forged, line):
        with pytest.raises(LedgerError, match=r"line 2 is"):
            load_heads(forged(lambda _: line), controller.key)

    def test_the_command_ends_with_1_for_a_forged_one_and_with_4_for_an_empty_one(self, controller, forged, capsys):
        key = str(controller.world.base / "receipt_key.pub")
        path = forged(lambda line: {**line, "signature": ""})
        words = ["evidence", "verify", "--witness", str(path), "--witness-key", key]
        assert main(words) == 1
        assert "forged" in capsys.readouterr().err
        path.write_text("")
        assert main(words) == 4
        assert "tail not proven" in capsys.readouterr().out
        path.write_bytes(b"\xff")
        assert main(words) == 2
        assert main(["evidence", "verify", "--witness-key", key]) == 2


class TestTheCommand:
    """`yunwei evidence witness`, whole: wrapper, playbook, gate, Vault's secrets, module, ssh-agent, the site."""

    @pytest.fixture
    def estate(self, controller: Controller, estate: Estate, bao: RealVault):
        pair = controller.world.secrets["miyun-read"]
        bao.put("systems/mediation/miyun-read", **pair)
        estate.inventory.edit("hosts.yml", "ansible_user: ops", "ansible_user: ops\n    ansible_become: false")
        shutil.copy(controller.world.base / "receipt_key.pub", estate.inventory.receipt_key)
        return estate

    def fetch(self, estate: Estate, output: Path, *words: str) -> int:
        inventory = str(estate.inventory.folder)
        return main(["evidence", "witness", "-o", str(output), "-i", inventory, "--system", "mediation", *words])

    def test_it_fetches_all_heads_and_the_ledger_is_proven_with_them(self, controller, estate, tmp_path, capsys):
        output = tmp_path / "fetched.jsonl"
        assert self.fetch(estate, output) == 0, capsys.readouterr()
        assert f"3 heads, the newest seen at {kept(controller.world)[-1]['time']}: record 31" in capsys.readouterr().out
        assert output.read_text() == controller.list.read_text()
        record = controller.book.show(controller.book.list()[-1]["id"])
        assert (record["job"], record["status"]) == ("list-heads", "done")
        assert [task["yunwei"]["count"] for task in record["tasks"] if "count" in (task.get("yunwei") or {})] == [3]
        inventory = ["-i", str(estate.inventory.folder)]
        assert main(["evidence", "verify", "--witness", str(output), *inventory]) == 0
        assert "witnessed up to record 31" in capsys.readouterr().out
        assert main(["evidence", "verify", *inventory]) == 4
        assert "tail not proven" in capsys.readouterr().out
        cut_tail(controller.path, 25)
        assert main(["evidence", "verify", "--witness", str(output), *inventory]) == 1
        assert "BAD: record 26" in capsys.readouterr().out
        assert self.fetch(estate, output) == 2, "what was fetched before is not overwritten"

    @pytest.mark.parametrize("count", [0, 1])
    def test_lists_of_no_and_of_one_head_come_through(self, controller, estate, tmp_path, capsys, count):
        lines = controller.list.read_text().splitlines(keepends=True)
        controller.list.write_text("".join(lines[:count]))
        assert self.fetch(estate, tmp_path / "fetched.jsonl", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["heads"], bool(told["newest"])) == (count, bool(count))

    def test_a_forged_list_is_told_at_once(self, controller, estate, tmp_path, capsys):
        controller.list.write_text(controller.list.read_text().replace('\\"count\\": 31', '\\"count\\": 32'))
        assert self.fetch(estate, tmp_path / "fetched.jsonl") == 1
        assert "line 3 is not signed" in capsys.readouterr().err

    def test_a_site_that_does_not_answer_is_named(self, controller, estate, tmp_path, capsys):
        controller.world.site_misbehaves(fault="refused")
        assert self.fetch(estate, tmp_path / "fetched.jsonl") == 1
        assert "site miyun cannot be reached" in capsys.readouterr().err
        assert not (tmp_path / "fetched.jsonl").exists()
