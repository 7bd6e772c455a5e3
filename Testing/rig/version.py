"""Which Slicer the rig behaves like: (5, 12), or (5, 6) where the fixture ``slicer_5_6`` says so."""

NEW, OLD = (5, 12), (5, 6)
current = NEW


def is_old():
    return current < (5, 11)
