"""The `worker` engine: the owner's own code in warm processes of its own, which can be killed at any moment.

host --- control ---> nursery        one process without threads: forks, reaps, and says how a child ended
  \                      | fork
   `--- frames ---> child            one a task: its file loaded, one run after the other
"""
