"""Starts threads until it is stopped, at most 1,000."""

import threading

threading.stack_size(64 * 1024)
done, count = threading.Event(), 0
try:
    while count < 1000:
        threading.Thread(target=done.wait, daemon=True).start()
        count += 1
except (RuntimeError, MemoryError):
    pass
done.set()
print("CLAIM" if count > 64 else "only", count, "threads")
print("TRIED")
