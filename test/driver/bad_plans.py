"""Plans that are truncated, damaged, or no plans at all."""
import random


def refused(driver, path):
    driver.fails("check", path, message=path.name)
    driver.fails("inspect", path, message=path.name)


def test_no_plan(driver):
    for name, data in {"empty.plan": b"", "text.plan": b"a plan" * 100, "zeros.plan": bytes(4096)}.items():
        refused(driver, driver.write(name, data))
    refused(driver, driver.folder / "absent.plan")
    driver.fails("check", driver.folder)


def test_truncated_every_64_bytes(driver):
    data = driver.plan("integers").read_bytes()
    positions = range(0, len(data), 64)
    # The reader's own tests try every position in one process; here each costs a process.
    step = max(1, len(positions) // 150)
    for position in positions[::step]:
        path = driver.write("truncated.plan", data[:position])
        driver.fails("check", path, message="truncated.plan")


def test_any_byte_flipped(driver):
    data = driver.plan("integers").read_bytes()
    chosen = list(range(0, 64, 4)) + random.Random(0).sample(range(64, len(data)), 120)
    for position in chosen:
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        path = driver.write("flipped.plan", bytes(damaged))
        driver.fails("check", path, message="flipped.plan")


def test_longer_than_it_says(driver):
    data = driver.plan("integers").read_bytes()
    driver.fails("check", driver.write("longer.plan", data + bytes(64)), message="longer.plan")
