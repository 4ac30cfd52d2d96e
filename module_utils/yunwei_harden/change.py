"""Makes a drafted change whole or not at all, and takes a confirmed one back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import hashlib
import os

from . import candidates, guard, kinds, revert, sshd
from .host import demand
from .hosttools import faults, jsonfile


def make(host, draft, change, seconds, still_differs):
    """Make a change that is taken back by itself after `seconds` unless it is confirmed; return its folder.

    Args:
        host: the `Host`.
        draft: the `Draft`, not empty.
        change: the change's id, a new one.
        seconds: from the moment before the first file is replaced.
        still_differs: called when all is done, returns in words what is not in force as wanted.

    Raises FaultError, OSError: nothing was changed, or all of it was taken back, as the message says.
    """
    folder = os.path.join(guard.base(host), change)
    recipe = _recipe(host, draft, change)
    jsonfile.write_json(folder, "recipe.json", recipe)
    try:
        _prepare(draft, recipe, folder)
        guard.install_hook(host)
    except BaseException:
        guard.discard(folder)
        raise
    _mark(folder, revert.ARMED)
    try:
        guard.start(host, folder, change, seconds)
        _carry_out(host, draft, recipe, folder)
        wrong = still_differs()
        if wrong:
            raise faults.FaultError("not in force after the change: %s" % "; ".join(wrong))
    except Exception as error:
        raise faults.FaultError("%s; %s" % (error, _take_back(folder)))
    return folder


def _recipe(host, draft, change):
    files = [_file_entry(host, draft, change, number, name) for number, name in enumerate(draft.files())]
    return {
        "change": change,
        "files": files,
        "modes": [dict(draft.modes[path], path=path) for path in sorted(draft.modes)],
        "kernel": [_kernel_entry(path, draft.kernel[path]) for path in sorted(draft.kernel)],
        "commands": _undoing_commands(host, draft),
    }


def _file_entry(host, draft, change, number, name):
    path = host.path(name)
    hidden = os.path.join(os.path.dirname(path), ".yunwei-%s-%d" % (change, number))
    return {
        "name": name,
        "path": path,
        "saved": hidden if draft.before[name] is not None else None,
        "candidate": hidden + ".new",
        "before": _digest(draft.before[name]),
        "sha256": _digest(draft.after[name]),
    }


def _digest(text):
    return None if text is None else hashlib.sha256(text.encode("latin-1")).hexdigest()


def _kernel_entry(path, wanted):
    with open(path) as stream:
        return {"path": path, "value": " ".join(stream.read().split()), "after": wanted}


def _undoing_commands(host, draft):
    commands = []
    for name in draft.services:
        enabled, running = kinds.service_state(host, name)
        if host.systemd:
            unit = kinds.unit_name(name)
            commands += [["systemctl", "enable", unit]] if enabled else []
            commands += [["systemctl", "start", unit]] if running else []
        else:
            commands += [["chkconfig", name, "on"]] if enabled else []
            commands += [["service", name, "start"]] if running else []
    if kinds.SSHD_CONFIG in draft.files():
        commands.append(sshd.reload_command(host))
    return commands


def _prepare(draft, recipe, folder):
    guard.write_program(folder)
    for entry in recipe["files"]:
        candidates.write(entry, draft.after[entry["name"]])
    for entry in recipe["files"]:
        candidates.validate(entry)


def _mark(folder, name):
    os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _carry_out(host, draft, recipe, folder):
    """Do what the draft says, step by step, for as long as nobody takes the change back; raises FaultError, OSError."""
    new = dict((entry["path"], revert.inode(os.lstat(entry["candidate"]))) for entry in recipe["files"])
    steps = [(candidates.replace, entry) for entry in recipe["files"]]
    steps += [(_set_mode, dict(entry, inode=new.get(entry["path"], entry["inode"]))) for entry in recipe["modes"]]
    steps += [(_set_kernel, entry) for entry in recipe["kernel"]]
    steps += [(demand, command) for name in draft.services for command in _switching_off(host, name)]
    steps += [(sshd.reload, host)] if kinds.SSHD_CONFIG in draft.files() else []
    for step, argument in steps:
        _demand_armed(folder)
        step(argument)
    _demand_armed(folder)


def _demand_armed(folder):
    found = revert.state(folder)
    if found != revert.ARMED:
        raise faults.FaultError(
            "the host took the change back (%s) before all of it was made; start again with more confirm_seconds"
            % found
        )


def _set_mode(entry):
    revert.set_mode(entry["path"], entry["after"], lambda found: found == entry["inode"])


def _set_kernel(entry):
    with open(entry["path"], "w") as stream:
        stream.write(entry["after"])


def _switching_off(host, name):
    unit = kinds.unit_name(name)
    if host.systemd:
        return [["systemctl", "disable", unit], ["systemctl", "stop", unit]]
    return [["chkconfig", name, "off"], ["service", name, "stop"]]


def _take_back(folder):
    """Take the change back at once; return what came of it, in words.

    Also where the guard did already: the step that was going on at that moment ended after it.
    """
    for state in (revert.ARMED, revert.CONFIRMED, revert.REVERTED):
        revert.move(folder, state, revert.REVERTING)
    wrong = revert.take_back(folder)
    if wrong:
        return "taking it back failed too, look at this host: %s" % "; ".join(wrong)
    revert.move(folder, revert.REVERTING, revert.REVERTED)
    return "all of it was taken back"


def undo(folder, check):
    """Take a confirmed change back; return [{"item", "status", "reason"}].

    Raises RefusedByPolicyError where it waits for its confirmation, FaultError where something that it changed was
    changed again since, or cannot be put back.
    """
    found = revert.state(folder)
    if found in (revert.ARMED, revert.REVERTING):
        raise faults.RefusedByPolicyError("armed", "REFUSED: this change waits for its confirmation; start again then")
    recipe = revert.read_recipe(folder)
    if found != revert.CONFIRMED:
        return [{"item": recipe["change"], "status": "as before", "reason": "the change is %s" % (found or "not made")}]
    _demand_untouched(recipe)
    gone = [entry["path"] for entry in recipe["modes"] if not os.path.lexists(entry["path"])]
    names = [entry["path"] for key in ("files", "modes", "kernel") for entry in recipe[key]]
    names += [" ".join(command) for command in recipe["commands"]]
    if not check:
        wrong = revert.take_back(folder)
        if wrong:
            raise faults.FaultError("not all could be put back: %s" % "; ".join(wrong))
        revert.move(folder, revert.CONFIRMED, revert.UNDONE)
    status = "would be put back" if check else "put back"
    return [{"item": name, "status": status, "reason": None} for name in names if name not in gone] + [
        {"item": name, "status": "nothing to undo", "reason": "the file was removed since"} for name in gone
    ]


def _demand_untouched(recipe):
    """Raise FaultError naming everything that is neither as this change left it nor already put back."""
    wrong = [why for why in [_changed(entry) for entry in recipe["files"]] if why]
    wrong += [entry["path"] for entry in recipe["modes"] if _is_mode_changed(entry)]
    if wrong:
        raise faults.FaultError(
            "changed since this change: %s; undo what was changed later first, or put it right by hand"
            % ", ".join(wrong)
        )


def _changed(entry):
    """Return what of a file was changed since, None where it can be put back, or was."""
    path, saved, found = entry["path"], entry["saved"], revert.digest(entry["path"])
    if saved is not None and revert.digest(saved) != entry["before"]:
        if os.path.lexists(saved):
            return "%s (its content of before)" % saved
        return None if found == entry["before"] else "%s (its content of before, %s, is gone)" % (path, saved)
    return None if found in (entry["sha256"], None) else path


def _is_mode_changed(entry):
    try:
        about = os.lstat(entry["path"])
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return revert.mode(about) not in (entry["before"], entry["after"])
