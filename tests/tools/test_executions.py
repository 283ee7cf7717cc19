"""Executions of machine instructions, from statements that were traced."""

import importlib.util

import pytest

KERNEL = """
def twice(x):
    x = x + x
    return x


def example_kernel(n, static_range):
    total = 0
    for k in range(n):
        total += twice(
            k
        )
        if k > 100:
            total = 0
    for c in static_range(3):
        total += c
    return total
"""
LISTING = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   FADD R4, R4, R5 ;
        /*0020*/                   FFMA R4, R4, R5, R6 ;
        /*0030*/                   MUFU.SIN R4, R4 ;
        /*0040*/              @!P2 BRA 0x20 ;
        /*0050*/                   LOP3.LUT R4, R4 ;
        /*0060*/                   LOP3.LUT R4, R4 ;
        /*0070*/                   LOP3.LUT R4, R4 ;
        /*0080*/                   EXIT ;
"""


@pytest.fixture
def source(tmp_path):
    """A file whose functions count as kernels and theirs."""
    folder = tmp_path / "inrformat" / "triton"
    folder.mkdir(parents=True)
    file = folder / "example.py"
    file.write_text(KERNEL)
    return file


@pytest.fixture
def trace(source):
    """Of two programs, of 4 rounds each."""
    from machine_code.tracing import traced

    spec = importlib.util.spec_from_file_location("example", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with traced() as found:
        for _program in range(2):
            module.example_kernel(4, range)
    return found


def chain(source, *lines):
    from machine_code.lines import Statement

    return tuple(Statement(str(source), line) for line in lines)


def test_statements_are_counted_through_the_functions_that_they_call(source, trace):
    statements = trace.statements["example_kernel"]
    assert trace.programs == {"example_kernel": 2}
    assert statements[chain(source, 8)] == 2
    assert statements[chain(source, 9)] == 10  # the head of a loop is also left
    assert statements[chain(source, 10)] == statements[chain(source, 13)] == 8
    assert statements[chain(source, 10, 3)] == 8
    assert chain(source, 14) not in statements


def test_instructions_count_as_often_as_their_statements_but_no_more_than_what_is_around_them(source, trace):
    from machine_code.disassembly import parsed
    from machine_code.estimate import executed
    from machine_code.loops import loops_of

    instructions = parsed(LISTING)
    chains = {
        0x00: chain(source, 8),
        0x10: chain(source, 10, 3),  # moved out of the loop
        0x20: chain(source, 10, 3),
        0x30: chain(source, 14),  # never executed
        0x40: chain(source, 9),
        0x50: chain(source, 16),  # the copies of a loop that is written out
        0x60: chain(source, 16),
        0x70: chain(source, 16),
    }
    statements, programs = trace.statements["example_kernel"], trace.programs["example_kernel"]
    found = executed(instructions, loops_of(instructions), chains, statements=statements, programs=programs)
    assert found == {"constant": 1, "fma": 1 + 4, "mufu": 0, "alu": 3, "branch": 5 + 1}


def test_the_compilers_lines_are_those_of_whole_statements(source):
    from machine_code.lines import statement_at

    assert statement_at(str(source), 11).line == statement_at(str(source), 12).line == 10
    assert statement_at(str(source), 13).line == 13
