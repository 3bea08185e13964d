"""Who gets how many pairs, from which link, when: requests, admission, turns, batches, calibration and suspension."""
