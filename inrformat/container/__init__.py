"""Bytes on disk: header, section table, index, fields, metadata; reader, writer, validation. Never imports torch."""
