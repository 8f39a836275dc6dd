"""From spikes and weights to arrays: bursts, phases, patterns, spectra, predictions.

In every cycle of a learning run the pattern of the relay cells of a loop late in the minus phase is
compared with the outcome, the spikes of their driver in the whole cycle, position by position.
Only positions count that could be predicted: what is seen there was in the window one cycle before.

A silent prediction is no prediction. Where the outcome is defined and the minus pattern is not,
the observables count a correlation of 0, and `r_pred_defined` tells how often that was so.
"""
