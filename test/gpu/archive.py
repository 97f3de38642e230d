"""Plans and goldens made small for the way to the machine with the GPU: weights of few values shrink to a bit each, or to nothing where only times are of
interest; samples of a batch repeat; the rest is compressed."""
import ctypes
import lzma
import struct

import numpy as np

GROUP = 64  # 16-bit words, every other one, that share a table of two values
SECTION_TABLE, ENTRY, WEIGHTS = 64, 40, 2  # runtime/plan/PlanFormat.h


def checksum(data):
    hash64 = ctypes.CDLL("libxxhash.so.0").XXH64
    hash64.restype, hash64.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
    return hash64(bytes(data), len(data), 0)


def sections(plan):
    """(kind, offset, bytes) of each entry of the section table."""
    count, = struct.unpack_from("<I", plan, 32)
    return [struct.unpack_from("<I4xQQ", plan, SECTION_TABLE + ENTRY * i) for i in range(count)]


def checked(plan):
    """The bytes of a plan with the checksums that its contents have now."""
    data, table = bytearray(plan), sections(plan)
    for i, (_, offset, size) in enumerate(table):
        struct.pack_into("<Q", data, SECTION_TABLE + ENTRY * i + 32, checksum(data[offset : offset + size]))
    struct.pack_into("<Q", data, 40, checksum(data[SECTION_TABLE : SECTION_TABLE + ENTRY * len(table)]))
    struct.pack_into("<Q", data, 56, checksum(data[:56]))
    return bytes(data)


def interleaved(words):
    """Groups of every other word, of which two lie in the same bytes: the leading halves of f32 weights, and the others."""
    return np.ascontiguousarray(words.reshape(-1, GROUP, 2).transpose(0, 2, 1)).reshape(-1, GROUP)


def whole(groups):
    """The words of `interleaved` groups as they lie."""
    return np.ascontiguousarray(groups.reshape(-1, 2, GROUP).transpose(0, 2, 1)).reshape(-1)


def split(data):
    """Groups of words, and which of them have at most two values, and these values."""
    words = interleaved(np.frombuffer(data[: len(data) // (4 * GROUP) * (4 * GROUP)], np.uint16))
    low, high = words.min(axis=1), words.max(axis=1)
    binary = ((words == low[:, None]) | (words == high[:, None])).all(axis=1)
    return words, binary, low[binary], high[binary]


def drawn(count):
    """The made-up bits of so many groups of weights: the same everywhere."""
    return np.frombuffer(np.random.Generator(np.random.PCG64(0)).bytes(count * GROUP // 8), np.uint8).reshape(count, GROUP // 8)


def redrawn(plan):
    """A plan whose weights of two values are others of them, which need no room in an archive; and the groups of words that were changed, [first, last)."""
    offset, size = next(((offset, size) for kind, offset, size in sections(plan) if kind == WEIGHTS), (0, 0))  # a plan need not have any
    first, last = 2 * -(-offset // (4 * GROUP)), 2 * ((offset + size) // (4 * GROUP))
    words, binary, low, high = split(plan)
    inside = np.flatnonzero(binary)
    chosen = (inside >= first) & (inside < last)
    ones = np.unpackbits(drawn(int(chosen.sum())), axis=1).astype(bool)
    words[inside[chosen]] = np.where(ones, high[chosen, None], low[chosen, None])
    return checked(whole(words).tobytes() + plan[words.size * 2 :]), first, last


def squeeze(data, made_up=False):
    """The bytes of an archive that holds `data`; `made_up`: a plan, of whose weights only their kinds matter."""
    data, first, last = redrawn(data) if made_up else (data, 0, 0)
    words, binary, low, high = split(data)
    inside = np.flatnonzero(binary)
    kept = (inside < first) | (inside >= last)
    bits = np.packbits(words[inside[kept]] == high[kept, None], axis=1)
    head = np.array([len(data), len(words), len(inside), first, last], np.uint64)
    parts = (head, np.packbits(binary), low, high, bits, words[~binary])
    return lzma.compress(b"".join(part.tobytes() for part in parts) + data[words.size * 2 :], preset=1)


def expand(archive):
    """What `squeeze` was given."""
    raw, at = lzma.decompress(archive), 0

    def take(count, dtype):
        nonlocal at
        part = np.frombuffer(raw, dtype, count, at)
        at += part.nbytes
        return part

    size, groups, pairs, first, last = (int(n) for n in take(5, np.uint64))
    binary = np.unpackbits(take((groups + 7) // 8, np.uint8))[:groups].astype(bool)
    low, high = take(pairs, np.uint16), take(pairs, np.uint16)
    inside = np.flatnonzero(binary)
    kept = (inside < first) | (inside >= last)
    bits = np.empty((pairs, GROUP // 8), np.uint8)
    bits[~kept] = drawn(int((~kept).sum()))
    bits[kept] = take(int(kept.sum()) * GROUP // 8, np.uint8).reshape(-1, GROUP // 8)
    words = np.empty((groups, GROUP), np.uint16)
    words[binary] = np.where(np.unpackbits(bits, axis=1).astype(bool), high[:, None], low[:, None])
    words[~binary] = take((groups - pairs) * GROUP, np.uint16).reshape(-1, GROUP)
    return (whole(words).tobytes() + raw[at:])[:size]


def loaded(golden, batch):
    """{key: array} of a golden; where it has fewer samples than `batch` they follow each other again and again."""
    arrays = np.load(golden)
    of_batch = {key for key in arrays.files if batch and arrays[key].ndim and not key.startswith("every:")}
    return {key: np.resize(arrays[key], (batch, *arrays[key].shape[1:])) if key in of_batch else arrays[key] for key in arrays.files}
