"""Sagas: a transaction across services as steps, each with a compensation that undoes it."""

from workbook_lib.kit.coordination.log import StepRecord
from workbook_lib.kit.saga.model import Saga, SagaContext, SagaLog, SagaOutcome, SagaState, Step
from workbook_lib.kit.saga.orchestrator import Orchestrator

__all__ = ["Orchestrator", "Saga", "SagaContext", "SagaLog", "SagaOutcome", "SagaState", "Step", "StepRecord"]
