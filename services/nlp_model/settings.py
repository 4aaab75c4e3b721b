"""Settings of the language model."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from services.nlp_model.domain import Version
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["NlpModelSettings"]

_FAQ = Path(__file__).parents[2] / "data" / "faq" / "entries.json"


class NlpModelSettings(ServiceSettings):
    """Settings of the language model."""

    model_config = SettingsConfigDict(env_prefix="NLP_MODEL_")

    service: str = names.NLP_MODEL
    port: int = 8098
    grpc_port: int | None = 50056
    version: Version = Field(
        default="v1",
        description="v1 knows an entry by its question, v2 by its other phrasings too; told to Consul",
    )
    faq_file: Path = Field(default=_FAQ, description="JSON list of the questions that it can answer")
    index_folder: Path = Field(
        default=Path(".workbook/nlp_model"), description="where the vector database's files are kept"
    )
    least_score: float = Field(
        default=0.45, ge=-1, le=1, description="cosine below which nothing is answered; see chapter 5.3.1"
    )
    max_batch: int = Field(default=16, ge=1, description="questions that are worked on together, at most")
    max_wait_seconds: float = Field(
        default=0.002, ge=0, description="how long a question waits for others while the model is idle"
    )
    max_waiting: int = Field(default=256, ge=1, description="questions that wait; one more is refused")
    defect: Literal["none", "slow", "wrong", "failing"] = Field(
        default="none", description="what a bad version does to try out a canary with; not in prod"
    )
    defect_share: float = Field(
        default=1.0, ge=0, le=1, description="share of the calls that meet the defect"
    )
    defect_seconds: float = Field(default=0.3, ge=0, description="how much longer a slow call takes")

    @field_validator("defect")
    @classmethod
    def _not_in_prod(cls, value: str, info: ValidationInfo) -> str:
        if value != "none" and info.data.get("environment") == "prod":
            raise ValueError("no defect is put into prod")
        return value
