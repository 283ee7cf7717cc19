"""Networks to pixels: the reference decoder, normative and readable, on any torch device."""
