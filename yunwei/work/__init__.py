"""Policy, job and options turned into the unit of work of each system; shapes are in `yunwei.work.shapes`."""
