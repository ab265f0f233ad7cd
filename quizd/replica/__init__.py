"""Sessions that live on one shard and have players on others.

The owner runs a session and hands every durable batch of records to those who follow
it. A follower applies the same records to a replica of the state, and so has the same
effects, boards and ranks for its own connections, without being sent any of them.
What its players do travels the other way.
"""
