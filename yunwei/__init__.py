"""Operations and maintenance (运维) as code."""

__version__ = "0.1.0"
