"""What cameras contributed to a snapshot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.src.infra.sql.types import JsonText

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("cameras", JsonText(), nullable=True))


def downgrade() -> None:
    op.drop_column("snapshots", "cameras")
