import threading

import pytest

from calvin.core.prefetch import ahead, ahead_each


def test_gives_everything_in_order() -> None:
    assert list(ahead(iter(range(50)), 3)) == list(range(50))
    assert list(ahead(iter(()))) == []


def test_works_ahead_in_another_thread_but_not_further_than_told() -> None:
    made: list[int] = []

    def source():
        for number in range(20):
            assert threading.current_thread() is not threading.main_thread()
            made.append(number)
            yield number

    items = ahead(source(), 3)
    assert next(items) == 0
    items.close()
    assert 3 <= len(made) <= 4


def test_an_error_comes_where_its_item_would_have() -> None:
    def source():
        yield 1
        raise ValueError("broken")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_several_threads_keep_the_order() -> None:
    names: set[str] = set()

    def square(number: int) -> int:
        names.add(threading.current_thread().name)
        return number * number

    assert list(ahead_each(square, range(200), depth=16)) == [number * number for number in range(200)]
    assert len(names) <= 2
    assert threading.current_thread().name not in names
