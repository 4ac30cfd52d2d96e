# -*- coding: utf-8 -*-
"""The words of alerts, in Chinese and English. Standard library only, Python 2.6 and later."""

from __future__ import absolute_import, division, print_function, unicode_literals

_WORDS = {
    "zh": {
        "subject": "【备份告警】%(alerts)d 项告警，%(recovered)d 项恢复：%(about)s",
        "test subject": "【备份告警】试发",
        "test": "这是一条试发消息：本渠道可以收到 %(host)s 发出的备份告警。无需处理。",
        "late": "%(who)s：第二站点最新的已验收且经核验的副本距今 %(age)s，限值 %(limit)s。",
        "none": "%(who)s：第二站点没有已验收且经核验的副本，限值 %(limit)s。",
        "unread": "%(who)s：无法判断副本的新旧：%(reason)s。限值 %(limit)s。",
        "undelivered": "告警渠道 %(channel)s 送不出告警：%(reason)s。",
        "recovered": "已恢复——%(who)s：第二站点最新的已验收且经核验的副本距今 %(age)s，限值 %(limit)s。",
        "recovered channel": "已恢复——告警渠道 %(channel)s 又能送出告警。",
        "run": "%(who)s：定时启动的作业%(ended)s（UTC %(began)s 开始，退出码 %(code)s，%(record)s）：%(reason)s。",
        "failed": "失败",
        "unusable": "未能运行，用法或策略有误",
        "refused": "被拒绝",
        "unjudged": "结果无法判断",
        "interrupted": "中断，没有留下结果",
        "run record": "运行号 %s",
        "no record": "没有运行号",
        "run next": "在控制机上执行 yunwei evidence list 和 journalctl -u yunwei-%(job)s-%(system)s.service，"
        "查明原因后再执行该作业。",
        "next": "下一步：",
        "late next": "在控制机上执行 yunwei evidence list 和 yunwei backups list --system %(system)s，"
        "查明最近的备份和同步为何没有完成；控制机没有响应时，先恢复控制机。",
        "none next": "在控制机上执行 yunwei run back-up --system %(system)s，再执行 "
        "yunwei run sync-to-miyun --system %(system)s。",
        "unread next": "请第二站点管理员检查本机时钟，以及 %(system)s 的副本声明及其签名。",
        "undelivered next": "检查该渠道的服务器、网络和证书；其他渠道不受影响。",
        "d": "%d 天",
        "h": "%d 小时",
        "m": "%d 分钟",
        "sent by": "由 %(host)s 于 %(time)s（UTC）发出。说明见 docs/alerts.zh.md。",
    },
    "en": {
        "subject": "[backup alert] %(alerts)d alerts, %(recovered)d recovered: %(about)s",
        "test subject": "[backup alert] test",
        "test": "This is a test: this channel gets the backup alerts of %(host)s. Nothing is to be done.",
        "late": "%(who)s: the newest accepted and verified copy at the second site is %(age)s old; "
        "the limit is %(limit)s.",
        "none": "%(who)s: there is no accepted and verified copy at the second site; the limit is %(limit)s.",
        "unread": "%(who)s: the age of the copy could not be judged: %(reason)s. The limit is %(limit)s.",
        "undelivered": "The alert channel %(channel)s cannot be told: %(reason)s.",
        "recovered": "Recovered: %(who)s: the newest accepted and verified copy at the second site is %(age)s old; "
        "the limit is %(limit)s.",
        "recovered channel": "Recovered: the alert channel %(channel)s can be told again.",
        "run": "%(who)s: the job that its timer started %(ended)s (began %(began)s UTC, exit code %(code)s, "
        "%(record)s): %(reason)s.",
        "failed": "failed",
        "unusable": "could not run, its words or the policy are wrong",
        "refused": "was refused",
        "unjudged": "could not be judged",
        "interrupted": "was cut off and left no result",
        "run record": "run %s",
        "no record": "no run id",
        "run next": "on the controller, yunwei evidence list and journalctl -u yunwei-%(job)s-%(system)s.service show "
        "why; then run the job again.",
        "next": "Next: ",
        "late next": "on the controller, yunwei evidence list and yunwei backups list --system %(system)s show why the "
        "last backups and syncs did not end well; where the controller does not answer, bring it back first.",
        "none next": "on the controller, yunwei run back-up --system %(system)s, then "
        "yunwei run sync-to-miyun --system %(system)s.",
        "unread next": "the second site's administrator looks at this host's clock, and at the statement of copies of "
        "%(system)s with its signature.",
        "undelivered next": "look at that channel's server, line and certificate; the other channels go on.",
        "d": "%d d",
        "h": "%d h",
        "m": "%d min",
        "sent by": "Sent by %(host)s at %(time)s (UTC). What it means: docs/alerts.md.",
    },
}


def duration(seconds, language):
    """Return a time span in its two largest units, such as `3 d 2 h`; minutes are the smallest."""
    words, minutes = _WORDS[language], int(seconds) // 60
    parts = [("d", minutes // 1440), ("h", minutes // 60 % 24), ("m", minutes % 60)]
    while len(parts) > 1 and not parts[0][1]:
        parts = parts[1:]
    return " ".join(words[unit] % count for unit, count in parts[:2] if count or len(parts) == 1)


def tell(finding, language):
    """Return what an alert or a recovery says, with its next step."""
    words, kind = _WORDS[language], finding["kind"]
    if "job" in finding:
        return words["run"] % _run_values(finding, language) + " " + words["next"] + words["run next"] % finding
    if "channel" in finding:
        values = finding
        said = words["undelivered" if kind != "good" else "recovered channel"] % values
    else:
        values = _values(finding, language)
        said = words["recovered" if kind == "good" else kind] % values
    return said if kind == "good" else said + " " + words["next"] + words[kind + " next"] % values


def _who(finding, what, language):
    return ("%s（%s）%s" if language == "zh" else "%s (%s) %s") % (finding["name"][language], finding["system"], what)


def _run_values(finding, language):
    words, run, code = _WORDS[language], finding["run"], finding["exit_code"]
    return {
        "who": _who(finding, finding["job"], language),
        "ended": words[finding["kind"]],
        "began": finding["began"],
        "code": "?" if code is None else code,
        "record": words["run record"] % run if run else words["no record"],
        "reason": finding["reason"],
    }


def _values(finding, language):
    age = finding["age_seconds"]
    return {
        "who": _who(finding, finding["item"], language),
        "system": finding["system"],
        "age": duration(age, language) if age is not None else "?",
        "limit": duration(finding["limit_seconds"], language),
        "reason": finding["reason"],
    }


def subject(alerts, recovered, language):
    """Return the subject of a message about these findings: how many, and about which systems and channels."""
    found = set(finding.get("system") or finding["channel"] for finding in alerts + recovered)
    values = {"alerts": len(alerts), "recovered": len(recovered), "about": ", ".join(sorted(found))}
    return _WORDS[language]["subject"] % values


def test_message(language, host):
    """Return subject and line of a test."""
    return _WORDS[language]["test subject"], _WORDS[language]["test"] % {"host": host}


def footer(language, host, time):
    """Return a message's last line."""
    return _WORDS[language]["sent by"] % {"host": host, "time": time}
