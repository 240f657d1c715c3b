"""What a reward says before a run is trained on it: contract, gold answers, exploits, determinism, cost.

Light for who asks: client.py and types.py. The reward itself runs in a child process, `python -m engine.reward_check`.
"""
