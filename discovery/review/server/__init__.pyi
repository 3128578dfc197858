from .answers import Answer as Answer
from .rpc import ReviewApi as ReviewApi
from .rpc import describe_conflict as describe_conflict
from .serve import serve_review as serve_review
