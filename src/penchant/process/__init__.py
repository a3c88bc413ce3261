"""Process: refuse what is wrong, take each event once, put it in order, label it, cut it into sessions and splits."""
