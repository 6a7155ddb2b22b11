package headwater.sandbox

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.{FunctionIdentifier, TableIdentifier}
import org.apache.spark.sql.catalyst.analysis.{UnresolvedIdentifier, UnresolvedNamespace, UnresolvedView}
import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.parser.{NamedParameterContext, ParameterContext, ParserInterface}
import org.apache.spark.sql.catalyst.parser.PositionalParameterContext
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.execution.SparkSqlParser
import org.apache.spark.sql.types.{DataType, StructType}

/** Adds `ViewParser` to a Spark session (`spark.sql.extensions`, behind Delta's). */
class SandboxExtensions extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit =
    extensions.injectParser((_, parser) => new ViewParser(parser))
}

/**
 * Lets `CREATE VIEW catalog.schema.view` and its relatives work in a `SandboxCatalog`.
 *
 * Spark 4.1 keeps persistent views in `spark_catalog` only ("Catalog c does not support views"), though it reads
 * a view that another catalog hands out. So the view's name, and nothing else, is turned into its session
 * catalog's name while a statement is parsed.
 */
class ViewParser(parser: ParserInterface) extends ParserInterface {

  private def inSession(name: Seq[String]): Seq[String] = {
    val manager = SparkSession.active.sessionState.catalogManager
    val full = name match {
      case Seq(view) => manager.currentCatalog.name() +: manager.currentNamespace.toSeq :+ view
      case Seq(schema, view) => Seq(manager.currentCatalog.name(), schema, view)
      case other => other
    }
    full match {
      case Seq(catalog, schema, view)
          if manager.isCatalogRegistered(catalog) && manager.catalog(catalog).isInstanceOf[SandboxCatalog] =>
        Seq("spark_catalog", SandboxCatalog.database(catalog, schema), view)
      case _ => name
    }
  }

  private def renamed(child: LogicalPlan): LogicalPlan = child match {
    case id: UnresolvedIdentifier => id.copy(nameParts = inSession(id.nameParts))
    case view: UnresolvedView => view.copy(multipartIdentifier = inSession(view.multipartIdentifier))
    case other => other
  }

  private def rewrite(plan: LogicalPlan): LogicalPlan = plan match {
    case view: CreateView => view.copy(child = renamed(view.child))
    case view: DropView => view.copy(child = renamed(view.child))
    case view: AlterViewAs => view.copy(child = renamed(view.child))
    case view: SetViewProperties => view.copy(child = renamed(view.child))
    case view: UnsetViewProperties => view.copy(child = renamed(view.child))
    case views: ShowViews => views.copy(namespace = views.namespace match {
      case UnresolvedNamespace(Seq(catalog, schema), fetch) =>
        UnresolvedNamespace(inSession(Seq(catalog, schema, "")).dropRight(1), fetch)
      case other => other
    })
    case other => other
  }

  /** Databricks says USE CATALOG where Spark says SET CATALOG. */
  private def spark(sql: String): String = sql.replaceFirst("(?i)^\\s*use\\s+catalog\\s+", "SET CATALOG ")

  override def parsePlan(sql: String): LogicalPlan = rewrite(parser.parsePlan(spark(sql)))

  /**
   * Delta 4.4's parser drops parameters on Spark 4.1 (UNBOUND_SQL_PARAMETER). None of its own statements takes any,
   * so a statement with parameters goes to Spark's parser.
   */
  override def parsePlanWithParameters(sql: String, parameters: ParameterContext): LogicalPlan = {
    val given = parameters match {
      case NamedParameterContext(named) => named.nonEmpty
      case PositionalParameterContext(positional) => positional.nonEmpty
    }
    if (given) rewrite(new SparkSqlParser().parsePlanWithParameters(spark(sql), parameters)) else parsePlan(sql)
  }

  override def parseExpression(sql: String): Expression = parser.parseExpression(sql)
  override def parseTableIdentifier(sql: String): TableIdentifier = parser.parseTableIdentifier(sql)
  override def parseFunctionIdentifier(sql: String): FunctionIdentifier = parser.parseFunctionIdentifier(sql)
  override def parseMultipartIdentifier(sql: String): Seq[String] = parser.parseMultipartIdentifier(sql)
  override def parseQuery(sql: String): LogicalPlan = parser.parseQuery(sql)
  override def parseRoutineParam(sql: String): StructType = parser.parseRoutineParam(sql)
  override def parseTableSchema(sql: String): StructType = parser.parseTableSchema(sql)
  override def parseDataType(sql: String): DataType = parser.parseDataType(sql)
}
