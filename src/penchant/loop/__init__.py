"""The parts of the engine that know several rooms: the fold, asking, fitting."""
