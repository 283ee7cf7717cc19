"""Numbers to compact bytes and back: quantization steps, symbol tables, interleaved rANS. numpy only."""
