"""Records of sirens to padded parameters on the device."""

from itertools import pairwise

import torch

from inrformat.families.siren.reference import read_weights

from ....decoding.triton.small_files import SIREN_ROWS


def test_parameters_are_the_reference_s(mixed, siren_weights):
    plan, scratch = siren_weights
    layers, units = plan.shape.layers, plan.shape.units
    for sample, row in enumerate(SIREN_ROWS):
        number, height, width = mixed.shapes[row].tolist()
        network = mixed.networks[number]
        decoder = mixed.decoder(
            torch.tensor([row], device=mixed.device), lanes=network.lanes(height=height, width=width)
        )
        expected = read_weights(network, decoder, height=height, width=width)[0]
        squares = scratch.parameters[sample, : layers * units * units].reshape(layers, units, units)
        biases = scratch.parameters[sample, layers * units * units :].reshape(layers, units)
        at = 0
        for layer, (inputs, outputs) in enumerate(pairwise(network.widths)):
            w = expected[at : at + inputs * outputs].reshape(outputs, inputs)
            b = expected[at + inputs * outputs :][:outputs]
            if layer < len(network.widths) - 2:  # sines are taken of half turns
                w, b = w * network.omega / torch.pi, b * network.omega / torch.pi
            assert torch.allclose(squares[layer, :outputs, :inputs], w, rtol=1e-5, atol=1e-6)
            assert torch.allclose(biases[layer, :outputs], b, rtol=1e-5, atol=1e-6)
            assert squares[layer, outputs:].abs().max() == 0 and squares[layer, :, inputs:].abs().sum() == 0
            at += (inputs + 1) * outputs
