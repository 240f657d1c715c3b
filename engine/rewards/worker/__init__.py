"""Reward code of the user, and library rewards that may hang, in a process of their own that can be ended at any time.

`client.RewardWorker` is what the engine holds. It starts `python -m engine.rewards.worker`: a guard (guard.py), whose
child is the worker (serve.py). They talk in JSON lines over pipes of their own (wire.py). Nothing here loads torch.
"""
