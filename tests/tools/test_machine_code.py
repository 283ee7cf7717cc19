"""Counting the instructions of compiled kernels."""

import pytest

LISTING = """
	code for sm_90
		Function : example_kernel
        /*0000*/                   LDC R1, c[0x0][0x28] ;                 /* 0x00000a00ff017b82 */
                                                                          /* 0x000e700000000800 */
        /*0010*/                   LDG.E.64 R2, desc[UR12][R2.64] ;       /* 0x0 */
        /*0020*/               @P1 BRA 0xb0 ;                             /* 0x0 */
        /*0030*/                   FADD R4, R4, R5 ;                      /* 0x0 */
        /*0040*/                   FFMA R4, R4, R5, R6 ;                  /* 0x0 */
        /*0050*/                   MUFU.SIN R4, R4 ;                      /* 0x0 */
        /*0060*/              @!P2 BRA 0x40 ;                             /* 0x0 */
        /*0070*/               @P3 BRA 0xc0 ;                             /* 0x0 */
        /*0080*/                   UIADD3 UR4, UR4, 0x1, URZ ;            /* 0x0 */
        /*0090*/               @P4 BRA 0x30 ;                             /* 0x0 */
        /*00a0*/                   STG.E [R2.64], R4 ;                    /* 0x0 */
        /*00b0*/                   EXIT ;                                 /* 0x0 */
        /*00c0*/                   STL [R1], R4 ;                         /* 0x0 */
        /*00d0*/                   BRA 0x80 ;                             /* 0x0 */
        /*00e0*/                   BRA 0xe0;                              /* 0x0 */
        /*00f0*/                   NOP;                                   /* 0x0 */
"""


@pytest.fixture
def instructions():
    """A loop within a loop, a part of which lies behind the kernel's end."""
    from machine_code.disassembly import parsed

    return parsed(LISTING)


def test_a_listing_is_read_up_to_the_trap_behind_its_end(instructions):
    assert len(instructions) == 14
    assert instructions[1].opcode == "LDG.E.64" and instructions[1].name == "LDG" and not instructions[1].guarded
    assert instructions[6].guarded and instructions[6].operands == "0x40" and instructions[6].address_bytes == 0x60


def test_instructions_are_counted_by_the_unit_that_executes_them(instructions):
    from machine_code.classes import counted

    assert counted(instructions) == {
        "branch": 6,
        "fma": 2,
        "constant": 1,
        "load_global": 1,
        "mufu": 1,
        "uniform": 1,
        "store_global": 1,
        "local": 1,
    }


def test_loops_nest_and_hold_the_parts_that_lie_elsewhere(instructions):
    from machine_code.loops import loops_of

    (outer,) = loops_of(instructions)
    (inner,) = outer.inner
    assert outer.begin_bytes == 0x30 and inner.begin_bytes == 0x40 and not inner.inner
    assert [item.address_bytes for item in inner.own] == [0x40, 0x50, 0x60]
    assert [item.address_bytes for item in outer.own] == [0x30, 0x70, 0x80, 0x90, 0xC0, 0xD0]


@pytest.mark.parametrize(
    ("sm", "takes", "programs", "limit"),
    [
        # 65536 / (72 x 32), rounded down to whole fours, is 28 warps.
        (90, {"warps": 8, "registers": 72, "shared_bytes": 10240}, 3, "registers"),
        (90, {"warps": 1, "registers": 32, "shared_bytes": 0}, 32, "warps"),
        (80, {"warps": 4, "registers": 40, "shared_bytes": 40960}, 4, "shared"),
        (90, {"warps": 4, "registers": 40, "shared_bytes": 40960}, 5, "shared"),
    ],
)
def test_occupancy_is_what_nvidias_calculator_says(sm, takes, programs, limit):
    from machine_code.occupancy import occupancy

    held = occupancy(sm, **takes)
    assert (held.programs, held.warps, held.limit) == (programs, programs * takes["warps"], limit)
