"""Make a network narrower: its least important channels are cut out of all layers, then it is trained on.

Every weight of a channel goes: the file gets smaller and faster on any runtime. Single weights set to zero do neither.
"""

import argparse
from pathlib import Path

import numpy as np

from appliance.errors import UsageError
from tools.quantize.examples import read_examples
from tools.quantize.net import Block, Weights
from tools.quantize.rounding import train_rounded

STEPS = 600
"""Batches that it is trained on for afterwards."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What from, how many channels, where to."""
    parser.epilog = (
        "Example: python -m tools.quantize prune --weights weights.npz --channels 56"
        " --examples runs/computer/examples --out narrow.npz"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="what `train` made")
    parser.add_argument("--channels", type=int, required=True, metavar="N", help="that stay")
    parser.add_argument("--examples", type=Path, required=True, metavar="FOLDER", help="what `augment` made")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="for the narrower network")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the training (1)")


def run(args: argparse.Namespace) -> int:
    """Cut, train on, write. Raises UsageError, AudioError."""
    weights = Weights.load(str(args.weights))
    channels = weights.first.shape[2]
    if not 1 <= args.channels < channels:
        raise UsageError(f"--channels {args.channels}: the network has {channels}; give 1 to {channels - 1}")
    narrow = narrowed(weights, args.channels)
    train_rounded(narrow, read_examples(args.examples), seed=args.seed, steps=STEPS).save(str(args.out))
    print(args.out)
    return 0


def narrowed(weights: Weights, channels: int) -> Weights:
    """The network with only its most important channels, in their order.

    A channel is the same in all layers, for each block adds to what came before; it matters as much as the weights that
    read it do, each layer's on a scale of its own.
    """
    importance = np.abs(weights.last[:, 0]) / np.abs(weights.last).max()
    for block in weights.blocks:
        read = np.abs(block.depth).sum(axis=0) * np.abs(block.point).sum(axis=1)
        importance = importance + read / read.max()
    kept = np.sort(np.argsort(-importance, kind="stable")[:channels])
    blocks = tuple(
        Block(depth=block.depth[:, kept], point=block.point[np.ix_(kept, kept)], bias=block.bias[kept])
        for block in weights.blocks
    )
    return Weights(
        first=weights.first[:, :, kept],
        first_bias=weights.first_bias[kept],
        blocks=blocks,
        last=weights.last[kept],
        last_bias=weights.last_bias,
    )
