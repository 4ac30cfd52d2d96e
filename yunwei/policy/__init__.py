"""Policy as data: systems, sites, schedules, targets, retention, the permissions to delete, and the calendar."""

from yunwei.policy.calendar import CalendarRules, Rule
from yunwei.policy.describe import describe_hosts, describe_rules, describe_systems
from yunwei.policy.engines import ENGINES, no_driver, supported_engines
from yunwei.policy.estate import Estate
from yunwei.policy.inventory import Host
from yunwei.policy.load import load, validate
from yunwei.policy.model import Policy
from yunwei.policy.problems import PolicyError, Problem
from yunwei.policy.schedule import Schedule
from yunwei.policy.system import Item, Retention, System

__all__ = [
    "ENGINES",
    "CalendarRules",
    "Estate",
    "Host",
    "Item",
    "Policy",
    "PolicyError",
    "Problem",
    "Retention",
    "Rule",
    "Schedule",
    "System",
    "describe_hosts",
    "describe_rules",
    "describe_systems",
    "load",
    "no_driver",
    "supported_engines",
    "validate",
]
