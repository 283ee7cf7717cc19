"""The random parameters of a whole pipeline, drawn and composed into maps in one compiled step."""
