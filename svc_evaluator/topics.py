"""Which of the policy's topics a question belongs to."""

import re
from functools import lru_cache

from groundline.evaluation.v1.evaluation_pb2 import Topic
from svc_evaluator.case import Case


def applying(case: Case) -> list[Topic]:
    """The topics that have a phrase in the question, by whole words, whatever the case; in the policy's order."""
    return [
        topic for topic in case.policy.topics if any(_pattern(each).search(case.question) for each in topic.phrases)
    ]


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    gaps = r"\s+".join(re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<!\w){gaps}(?!\w)", re.IGNORECASE)
