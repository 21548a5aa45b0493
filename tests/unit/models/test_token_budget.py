"""A budget holds under calls at the same time, and its memory is bounded."""

import pytest

from meshkit.models.chat import TokenUsage
from meshkit.models.errors import ChatMalformed, ChatTimeout, ChatUnavailable
from meshkit.models.token_budget import TokenBudget, TokenBudgetSpent


def test_what_was_used_is_what_it_costs():
    budget = TokenBudget(100)
    with budget.reserve("a", 80) as reservation:
        assert budget.remaining("a") == 20
        reservation.used(TokenUsage(10, 5))
    assert budget.remaining("a") == 85
    assert budget.remaining("b") == 100


def test_calls_at_the_same_time_can_not_overspend():
    budget = TokenBudget(100)
    with budget.reserve("a", 60), pytest.raises(TokenBudgetSpent) as refused:
        budget.reserve("a", 60)
    assert refused.value.remaining == 40


@pytest.mark.parametrize(
    ("failure", "costs"), [(ChatTimeout(1), 30), (ChatMalformed("empty"), 30), (ChatUnavailable("connection"), 0)]
)
def test_a_failure_costs_what_it_may_have_cost(failure, costs):
    budget = TokenBudget(100)
    with pytest.raises(type(failure)), budget.reserve("a", 30):
        raise failure
    assert budget.remaining("a") == 100 - costs


def test_overspending_is_remembered_and_never_negative():
    budget = TokenBudget(100)
    with budget.reserve("a", 10) as reservation:
        reservation.used(TokenUsage(400, 0))
    assert budget.remaining("a") == 0
    with pytest.raises(TokenBudgetSpent):
        budget.reserve("a", 1)


def test_keys_are_bounded_and_those_in_flight_stay():
    budget = TokenBudget(100, max_keys=3)
    budget.charge("busy", 50)
    with budget.reserve("busy", 10):
        for i in range(1000):
            budget.charge(f"k{i}", 1)
        assert budget.remaining("busy") == 40
    assert budget.remaining("k0") == 100
    assert len(budget._spent) <= 4
