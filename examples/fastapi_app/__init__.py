"""A web application on repositories: projects and their tasks, behind FastAPI.

    python -m examples.fastapi_app

`sessions.py` is the part to take along: one session for each request, committed before its answer is sent.
"""
