"""Where the numbers of a user stand in the tracker's state; the compiled fold and what reads it share this."""

STATE_FORMAT = 2
"""Format of encoded states."""
MAX_REGIMES = 3
"""Earlier regimes kept per user."""
MAX_CHANGES = 8
"""Changes whose time is kept."""

LAST_AT, N_DAYS, GAP, TODAY, SURPRISE, N_SEEN, EVIDENCE, N_REGIME, N_SINCE, N_TODAY, SINCE_AT, N_CHANGES = range(12)
"""Newest event; active days; mean logarithm of the days between them; the last active day; its sum of log ratios and
over how many topics; the evidence for a change before that day; topic-days since the last change, since the challenger
began, and of the last active day; when the challenger began; how many changes there were."""
RETURN_SURPRISE = 12
"""From here: the last active day's sum of log ratios for each earlier regime."""
RETURN_EVIDENCE = RETURN_SURPRISE + MAX_REGIMES
"""From here: the evidence for a return to each earlier regime before that day."""
USER_SIZE = RETURN_EVIDENCE + MAX_REGIMES

GAP_UNIT = 1.0 / 2048.0
"""Logarithms of gaps are kept in steps of this size."""
NOVELTY = 0.1
"""Days that a topic counts for before it was ever touched, among a hundred such topics."""
LEAST_REGIME = 20.0
"""Topic-days that a regime must have had before anything can challenge it."""
CAUTION = 50.0
"""Topic-days that the regime in force counts for in what challenges it."""
