"""A runner that shows how runners talk (see runner.py): a 'picture' for every tick, handed on in batches of four."""

import sys

TICK_BYTES, BATCH = 1_280, 4


def main() -> None:
    print("ready toy, batches of 4", flush=True)
    heard = 0
    while True:
        sound = sys.stdin.buffer.read(BATCH * TICK_BYTES)
        if len(sound) < BATCH * TICK_BYTES:
            return
        for _ in range(BATCH):
            heard += TICK_BYTES // 2
            print("frame", heard, flush=True)


if __name__ == "__main__":
    main()
