"""XXH64 by its specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), for keys of any length."""

MASK = 2**64 - 1
PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
P1, P2, P3, P4, P5 = PRIMES


def rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & MASK


def rounded(accumulator: int, lane: int) -> int:
    return rotated((accumulator + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes, seed: int = 0) -> int:
    """Without a sign."""
    place = 0
    if len(data) >= 32:
        lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while place + 32 <= len(data):
            for number in range(4):
                start = place + 8 * number
                lanes[number] = rounded(lanes[number], int.from_bytes(data[start : start + 8], "little"))
            place += 32
        total = sum(rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            total = ((total ^ rounded(0, lane)) * P1 + P4) & MASK
    else:
        total = (seed + P5) & MASK
    return avalanche(rest_added((total + len(data)) & MASK, data[place:]))


def rest_added(total: int, rest: bytes) -> int:
    while len(rest) >= 8:
        total = (rotated(total ^ rounded(0, int.from_bytes(rest[:8], "little")), 27) * P1 + P4) & MASK
        rest = rest[8:]
    if len(rest) >= 4:
        total = (rotated(total ^ int.from_bytes(rest[:4], "little") * P1 & MASK, 23) * P2 + P3) & MASK
        rest = rest[4:]
    for byte in rest:
        total = rotated(total ^ byte * P5 & MASK, 11) * P1 & MASK
    return total


def avalanche(total: int) -> int:
    total = (total ^ (total >> 33)) * P2 & MASK
    total = (total ^ (total >> 29)) * P3 & MASK
    return total ^ (total >> 32)
