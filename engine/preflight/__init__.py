"""Pre-flight: what the chosen model makes of a few prompts under the chosen rewards, before anything is trained.

`python -m engine.preflight DIRECTORY PROMPTS` is the child process; folder.py starts and finds it. All but work.py,
child.py and __main__.py is light.
"""
