"""PyPOTS: SAITS or BRITS, sizes as in its documentation, on windows that overlap.

A twentieth of the entries is put aside to stop by; on a CPU, at most 100 epochs, which is the
default, or as many as five minutes allow.
"""

import time

import numpy as np
import torch
from _wide import main
from pypots.imputation import BRITS, SAITS

# Steps of a window: two years of months, two days of hours.
STEPS = {12: 24, 24: 48}
EPOCHS = 100
# Of training; what it comes to in epochs is measured on the first.
SECONDS = 300


def fill(table):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    n_times, n_nodes = table.known.shape
    steps = STEPS[int(table.season.max()) + 1]
    mean, std = np.nanmean(table.known, axis=0), np.nanstd(table.known, axis=0)
    values = ((table.known - mean) / np.where(std > 0, std, 1)).astype(np.float32)
    starts = np.arange(n_times - steps + 1)
    rng = np.random.default_rng(0)
    aside = np.isfinite(values) & (rng.random(values.shape) < 0.05)
    remaining, windows = (
        windows_of(np.where(aside, np.nan, values), steps),
        windows_of(values, steps),
    )
    some = rng.permutation(len(starts))[:200]
    validation = {"X": remaining[some], "X_ori": windows[some]}

    def trained(epochs):
        given = {"n_steps": steps, "n_features": n_nodes, "epochs": epochs, "verbose": False}
        given["patience"] = min(10, epochs)
        if str(table.variant) == "SAITS":
            sizes = {"n_layers": 2, "d_model": 256, "n_heads": 4, "d_k": 64, "d_v": 64}
            model = SAITS(**given, **sizes, d_ffn=128, dropout=0.1)
        else:
            model = BRITS(**given, rnn_hidden_size=128)
        model.fit({"X": remaining}, validation)
        return model

    begin = time.process_time()
    trained(1)
    each = time.process_time() - begin
    model = trained(int(np.clip(SECONDS / each, 1, EPOCHS)))
    # Every entry by the mean of the windows that it is in.
    total, count = np.zeros((2, n_times, n_nodes))
    for start, filled in zip(starts, model.impute({"X": windows}), strict=True):
        total[start : start + steps] += filled
        count[start : start + steps] += 1
    return mean + std * total / count


def windows_of(values, steps):
    return np.lib.stride_tricks.sliding_window_view(values, steps, axis=0).transpose(0, 2, 1).copy()


if __name__ == "__main__":
    main(fill)
